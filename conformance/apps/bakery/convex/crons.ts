import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();
crons.interval("morning bread", { hours: 12 }, internal.breads.deliver, { name: "Morning loaf" });
crons.daily("evening bread", { hourUTC: 18, minuteUTC: 30 }, internal.breads.deliver, { name: "Evening loaf" });

export default crons;
