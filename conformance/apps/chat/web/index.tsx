// A chat room: older messages page by page, what one writes shown before the server has it.
import { ConvexProvider, ConvexReactClient, insertAtTop, optimisticallyUpdateValueInPaginatedQuery, useConvexConnectionState, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { api } from "../convex/_generated/api";

const parameters = new URLSearchParams(location.search);
const client = new ConvexReactClient(parameters.get("convex")!);
const channel = parameters.get("channel")!;
const author = parameters.get("author")!;

function Room() {
  const { results, status, loadMore } = usePaginatedQuery(api.chat.list, { channel }, { initialNumItems: 5 });
  const others = useQuery(api.chat.typing, { channel })?.filter((name) => name !== author);
  const { hasInflightRequests, isWebSocketConnected } = useConvexConnectionState();
  const [draft, setDraft] = useState("");
  const [rejected, setRejected] = useState("");
  const type = useMutation(api.chat.type);
  const send = useMutation(api.chat.send).withOptimisticUpdate((store, message) => {
    insertAtTop({
      paginatedQuery: api.chat.list,
      argsToMatch: { channel },
      localQueryStore: store,
      item: { _id: `pending ${message.body}` as any, _creationTime: Date.now(), likes: 0, ...message },
    });
  });
  const like = useMutation(api.chat.like).withOptimisticUpdate((store, { id }) => {
    optimisticallyUpdateValueInPaginatedQuery(store, api.chat.list, { channel }, (message) => (message._id === id ? { ...message, likes: message.likes + 1 } : message));
  });
  const remove = useMutation(api.chat.remove);
  // Every state that was on the screen, for the driver to read.
  const shown = results.map((m) => `${m._id.startsWith("pending") ? "~" : ""}${m.body}${m.likes ? ` +${m.likes}` : ""}`).join("|");
  useEffect(() => {
    ((window as any).shown ??= []).push(shown);
  }, [shown]);
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setDraft("");
          send({ channel, author, body: draft }).catch((error) => setRejected(error.data.rejected));
        }}
      >
        <input
          placeholder="Message"
          value={draft}
          onChange={(event) => {
            setDraft(event.target.value);
            void type({ channel, author });
          }}
        />
        <button>Send</button>
      </form>
      <p id="typing">{others?.join(", ")}</p>
      <p id="rejected">{rejected}</p>
      <p id="connection">{isWebSocketConnected ? (hasInflightRequests ? "busy" : "idle") : "offline"}</p>
      <ol>
        {results.map((message) => (
          <li key={message._id}>
            <span>{message.body}</span> <output>{message.likes}</output>
            <button onClick={() => void like({ id: message._id })}>Like</button>
            <button onClick={() => void remove({ id: message._id })}>Delete</button>
          </li>
        ))}
      </ol>
      <p id="status">{status}</p>
      <button onClick={() => loadMore(5)}>Older</button>
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <ConvexProvider client={client}>
    <Room />
  </ConvexProvider>,
);
