import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();
crons.interval("digest", { seconds: 1 }, internal.digest.send, {});
crons.daily("digest of the morning", { hourUTC: 6, minuteUTC: 30 }, internal.digest.send, {});
export default crons;
