"use client";

import { preloadedQueryResult } from "convex/nextjs";
import { useConvexAuth, useMutation, usePreloadedQuery, type Preloaded } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useActionState } from "react";
import { suggest } from "../app/actions";
import { api } from "../convex/_generated/api";

type Rows = FunctionReturnType<typeof api.board.list>;

export function Board({ rows }: { rows: Preloaded<typeof api.board.list> }) {
  // Until the live connection is signed in, too, the board is what the server's answer brought along.
  const { isAuthenticated } = useConvexAuth();
  const [problem, action, pending] = useActionState(suggest, null);
  return (
    <main>
      <form action={action}>
        <input name="text" aria-label="Suggestion" placeholder="Suggest a soup" maxLength={80} required />
        <button disabled={pending}>Suggest</button>
      </form>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {isAuthenticated ? <LiveList rows={rows} /> : <List rows={preloadedQueryResult(rows)} />}
    </main>
  );
}

/** The list as it is at any moment. */
function LiveList({ rows }: { rows: Preloaded<typeof api.board.list> }) {
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
  return (
    <List
      rows={usePreloadedQuery(rows)}
      onVote={(suggestion) => void toggleVote({ suggestion })}
      onRemove={(suggestion) => void remove({ suggestion })}
    />
  );
}

type Touch = (suggestion: Rows[number]["_id"]) => void;

function List({ rows, onVote, onRemove }: { rows: Rows; onVote?: Touch; onRemove?: Touch }) {
  if (rows.length === 0) {
    return <p className="hint">Nothing yet. Open a second window and suggest something.</p>;
  }
  return (
    <ul data-live={onVote !== undefined}>
      {rows.map((row) => (
        <li key={row._id}>
          <button
            className="vote"
            aria-pressed={row.hasMyVote}
            aria-label={`Vote for ${row.text}`}
            disabled={onVote === undefined}
            onClick={() => onVote?.(row._id)}
          >
            {row.hasMyVote ? "♥" : "♡"} {row.votes}
          </button>
          <span className="text">{row.text}</span>
          <span className="author">{row.isMine ? "you" : row.author}</span>
          {row.isMine && (
            <button
              className="quiet"
              aria-label={`Remove ${row.text}`}
              disabled={onRemove === undefined}
              onClick={() => onRemove?.(row._id)}
            >
              ×
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
