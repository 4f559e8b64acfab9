import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();
crons.daily("tidy", { hourUTC: 4, minuteUTC: 0 }, internal.tasks.addLater, { list: "chores", title: "tidy up" });
export default crons;
