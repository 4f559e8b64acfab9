import { useMutation, useQuery } from "convex/react";
import { ConvexError } from "convex/values";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api";

export function Board({ defaultName }: { defaultName: string }) {
  const introduce = useMutation(api.profiles.introduce);
  const me = useQuery(api.profiles.me);
  const rows = useQuery(api.board.list);
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

  useEffect(() => {
    if (me === null) {
      void introduce({ name: defaultName });
    }
  }, [me, introduce, defaultName]);

  const run = async (work: Promise<unknown>) => {
    setProblem(undefined);
    try {
      await work;
    } catch (error) {
      setProblem(error instanceof ConvexError ? String(error.data) : "That did not work. Please try again.");
    }
  };

  if (rows === undefined || !me) {
    return <p className="hint">Setting the table…</p>;
  }
  return (
    <main>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          // What is typed until the answer comes is the next one's.
          void run(suggest({ text }).then(() => setText((now) => (now === text ? "" : now))));
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
        <button>Suggest</button>
      </form>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {rows.length === 0 && <p className="hint">Nothing yet. Open a second window and suggest something.</p>}
      <ul>
        {rows.map((row) => (
          <li key={row._id}>
            <button
              className="vote"
              aria-pressed={row.hasMyVote}
              aria-label={`Vote for ${row.text}`}
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
