// Passkeys: the one thing on these pages that needs a script. A form with data-passkey is shown where the browser knows
// passkeys; sending it asks the authenticator first ("get" or "create") and posts what it says.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** The options as navigator.credentials takes them: base64url becomes bytes. */
function options(form) {
  const o = JSON.parse(form.dataset.options);
  o.challenge = bytes(o.challenge);
  if (o.user) o.user.id = bytes(o.user.id);
  for (const c of [...(o.excludeCredentials ?? []), ...(o.allowCredentials ?? [])]) c.id = bytes(c.id);
  return o;
}

/** A credential as the server takes it (PublicKeyCredential.toJSON, which not all browsers have). */
function shown(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: {},
    response,
  });
}

function send(form, credential) {
  form.elements.credential.value = shown(credential);
  form.submit();
}

let waiting; // for a passkey that is chosen from the address field's suggestions

// Pages that say why the last one was refused do not suggest it again: data-suggest is missing there.
async function suggest(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  waiting = new AbortController();
  try {
    send(form, await navigator.credentials.get({ publicKey: options(form), mediation: "conditional", signal: waiting.signal }));
  } catch {
    // Nobody chose one, or the button was pressed.
  }
}

async function ask(form) {
  const problem = form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  waiting?.abort();
  try {
    send(form, await navigator.credentials[form.dataset.passkey]({ publicKey: options(form) }));
  } catch {
    problem.hidden = false;
  }
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(form);
    });
    if ("suggest" in form.dataset) suggest(form);
  }
}
