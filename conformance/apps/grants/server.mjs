// One of several server processes of an app: it is handed the session cookie of a request, refreshes it as the SDK does,
// and answers with what it would set. A line of JSON in, a line of JSON out.
import { createInterface } from "node:readline";

const { WorkOS } = await import(process.env.SDK);
const workos = new WorkOS(process.env.WORKOS_API_KEY, {
  clientId: process.env.WORKOS_CLIENT_ID, apiHostname: process.env.HOST, port: Number(process.env.PORT), https: false,
});

for await (const line of createInterface({ input: process.stdin })) {
  const { cookie } = JSON.parse(line);
  let answer;
  try {
    const session = workos.userManagement.loadSealedSession({ sessionData: cookie, cookiePassword: process.env.COOKIE_PASSWORD });
    const result = await session.refresh({ cookiePassword: process.env.COOKIE_PASSWORD });
    answer = { authenticated: result.authenticated, cookie: result.sealedSession, reason: result.reason, retryable: result.retryable };
  } catch (error) {
    answer = { thrown: `${error.name}: ${error.message}`, status: error.status };
  }
  console.log(JSON.stringify(answer));
}
