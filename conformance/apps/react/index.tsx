// One page that uses the hooks; the scenario drives it and reads what it shows.
import { ConvexProvider, ConvexReactClient, useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const client = new ConvexReactClient(new URLSearchParams(location.search).get("convex")!);

function Page() {
  const rows = useQuery(api.messages.list, { channel: "hooks" });
  const pages = usePaginatedQuery(api.messages.page, { channel: "hooked pages" }, { initialNumItems: 3 });
  const send = useMutation(api.messages.send);
  const sendMany = useMutation(api.messages.sendMany);
  const wait = useAction(api.actions.wait);
  const [waited, setWaited] = useState("");
  return (
    <>
      <ol id="rows">{rows?.map((row: { _id: string; body: string }) => <li key={row._id}>{row.body}</li>)}</ol>
      <p id="pages">{pages.results.map((row: { rank: number }) => row.rank).join(" ")}</p>
      <p id="status">{pages.status}</p>
      <button onClick={() => void send({ channel: "hooks", body: "from a hook" })}>send</button>
      <button onClick={() => void sendMany({ channel: "hooked pages", count: 8 })}>fill</button>
      <button onClick={() => pages.loadMore(3)}>more</button>
      <button onClick={async () => setWaited(String(await wait({ ms: 10 })))}>wait</button>
      <p id="waited">{waited}</p>
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <ConvexProvider client={client}>
    <Page />
  </ConvexProvider>,
);
