// Loaded by actions when they need it.
import { z } from "zod";

export const parse = (text: string) => z.object({ items: z.array(z.object({ sku: z.string(), n: z.coerce.number() })) }).parse(JSON.parse(text)).items;
