import { zid } from "convex-helpers/server/zod4";
import { z } from "zod";

export const recipe = z.object({
  cook: zid("cooks"),
  title: z.string().min(3).max(60),
  minutes: z.number().int().positive(),
  level: z.enum(["easy", "hard"]),
  source: z.url().optional(),
});
