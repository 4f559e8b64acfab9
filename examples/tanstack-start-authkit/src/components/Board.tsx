import { useConvexAuth, useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { ConvexError } from "convex/values";
import { useState } from "react";
import { api } from "../../convex/_generated/api";

type Rows = FunctionReturnType<typeof api.board.list>;

/** The board: `rows` as the server had them, until the live connection has better. */
export function Board({ rows, name }: { rows: Rows; name: string }) {
  const { isAuthenticated } = useConvexAuth();
  const now = useQuery(api.board.list, isAuthenticated ? {} : "skip");
  const suggest = useMutation(api.board.suggest);
  const remove = useMutation(api.board.remove);
  const toggleVote = useMutation(api.board.toggleVote).withOptimisticUpdate((store, { suggestion }) => {
    // The heart changes under the finger; the server's answer replaces it.
    const shown = store.getQuery(api.board.list, {});
    if (shown !== undefined) {
      store.setQuery(
        api.board.list,
        {},
        shown.map((row) =>
          row._id === suggestion
            ? { ...row, hasMyVote: !row.hasMyVote, votes: row.votes + (row.hasMyVote ? -1 : 1) }
            : row,
        ),
      );
    }
  });
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();

  const run = async (work: Promise<unknown>) => {
    setProblem(undefined);
    try {
      await work;
    } catch (error) {
      setProblem(error instanceof ConvexError ? String(error.data) : "That did not work. Please try again.");
    }
  };

  const live = now !== undefined;
  const shown = now ?? rows;
  return (
    <main>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          // What is typed until the answer comes is the next one's.
          void run(suggest({ text, author: name }).then(() => setText((now) => (now === text ? "" : now))));
        }}
      >
        <input
          aria-label="Suggestion"
          placeholder="Suggest a soup"
          maxLength={80}
          required
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button disabled={!live}>Suggest</button>
      </form>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {shown.length === 0 && <p className="hint">Nothing yet. Open a second window and suggest something.</p>}
      <ul data-live={live}>
        {shown.map((row) => (
          <li key={row._id}>
            <button
              className="vote"
              aria-pressed={row.hasMyVote}
              aria-label={`Vote for ${row.text}`}
              disabled={!live}
              onClick={() => void run(toggleVote({ suggestion: row._id }))}
            >
              {row.hasMyVote ? "♥" : "♡"} {row.votes}
            </button>
            <span className="text">{row.text}</span>
            <span className="author">{row.isMine ? "you" : row.author}</span>
            {row.isMine && (
              <button
                className="quiet"
                aria-label={`Remove ${row.text}`}
                disabled={!live}
                onClick={() => void run(remove({ suggestion: row._id }))}
              >
                ×
              </button>
            )}
          </li>
        ))}
      </ul>
    </main>
  );
}
