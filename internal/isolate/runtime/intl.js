// Intl objects hold memory of the ICU library, which a snapshot cannot keep.
// Those made while modules are imported are therefore only promises of
// objects, made anew from their arguments when they are first used.
(function (lx) {
  "use strict";
  const { native, hooks } = lx;
  const { Intl, Proxy, Object: { defineProperty, getOwnPropertyNames }, Reflect } = globalThis;
  const made = new Set();

  const promise = (constructor, args) => {
    const slot = { real: undefined };
    made.add(slot);
    const real = () => (slot.real ??= Reflect.construct(constructor, args));
    // Wrong arguments fail where they are given.
    real();
    return new Proxy(Object.create(constructor.prototype), {
      get(target, key) {
        const v = real()[key];
        return typeof v === "function" && key !== "constructor" ? (...a) => real()[key](...a) : v;
      },
    });
  };
  for (const name of getOwnPropertyNames(Intl)) {
    const constructor = Intl[name];
    if (typeof constructor !== "function" || !/^[A-Z]/.test(name)) continue;
    const lazy = new Proxy(constructor, {
      construct(target, args, cls) {
        if (native.kind() === lx.IMPORT && cls === lazy) return promise(target, args);
        return Reflect.construct(target, args, cls === lazy ? target : cls);
      },
      apply(target, self, args) {
        if (native.kind() === lx.IMPORT) return promise(target, args);
        return Reflect.apply(target, self, args);
      },
    });
    defineProperty(Intl, name, { value: lazy, writable: true, enumerable: false, configurable: true });
    defineProperty(constructor.prototype, "constructor", { value: lazy, writable: true, enumerable: false, configurable: true });
  }

  // imported(): called when all modules are evaluated, before the snapshot.
  hooks.imported = () => {
    for (const slot of made) slot.real = undefined;
    made.clear();
    // V8 installs this anew in every context, and does not bear to find it.
    delete Error.stackTraceLimit;
  };
})
