import { cronJobs, anyApi as api } from "convex/server";

const crons = cronJobs();
crons.interval("from node", { hours: 1 }, api.work.note, { text: "by a cron" });
export default crons;
