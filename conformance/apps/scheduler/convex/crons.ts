import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();
crons.interval("every second", { seconds: 1 }, internal.jobs.note, { tag: "cron: second" });
crons.interval("slow action", { seconds: 1 }, internal.jobs.slow, { tag: "cron: action", ms: 2500 });
crons.interval("failing", { seconds: 2 }, internal.jobs.failing, { tag: "cron: failing" });
crons.interval("rarely", { hours: 5 }, internal.jobs.note, { tag: "cron: rarely" });
crons.hourly("hourly", { minuteUTC: 17 }, internal.jobs.note, { tag: "cron: clock" });
crons.hourly("hourly, any minute", internal.jobs.note, { tag: "cron: clock" });
crons.daily("daily", { hourUTC: 3, minuteUTC: 30 }, internal.jobs.note, { tag: "cron: clock" });
crons.weekly("weekly", { dayOfWeek: "tuesday", hourUTC: 17 }, internal.jobs.note, { tag: "cron: clock" });
crons.monthly("monthly", { day: 31, hourUTC: 16, minuteUTC: 0 }, internal.jobs.note, { tag: "cron: clock" });
crons.cron("cron", "15 7 * * 1-5", internal.jobs.note, { tag: "cron: clock" });
export default crons;
