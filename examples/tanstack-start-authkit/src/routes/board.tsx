import { createFileRoute, redirect } from "@tanstack/react-router";
import { useAuth } from "@workos/authkit-tanstack-react-start/client";
import { loadBoard } from "../board";
import { Board } from "../components/Board";
import { Title } from "../components/Title";

/** The board, complete in the first answer of the server: who is there, and what they may see. */
export const Route = createFileRoute("/board")({
  loader: async ({ location }) => {
    const board = await loadBoard();
    if (board === null) {
      throw redirect({ href: `/sign-in?returnPathname=${encodeURIComponent(location.pathname)}`, reloadDocument: true });
    }
    return board;
  },
  component: BoardPage,
});

function BoardPage() {
  const { email, name, rows } = Route.useLoaderData();
  const { signOut } = useAuth();
  return (
    <>
      <header>
        <Title />
        <span className="who" title={email}>
          {email}
        </span>
        <button className="quiet" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <Board rows={rows} name={name} />
    </>
  );
}
