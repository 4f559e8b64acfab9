import type { Money } from "./index";

export const format = ({ cents, currency }: Money) => new Intl.NumberFormat("en-US", { style: "currency", currency }).format(Number(cents) / 100);
