import { withAuth } from "@workos-inc/authkit-nextjs";
import { preloadQuery } from "convex/nextjs";
import { Board } from "../../components/Board";
import { Kitchens } from "../../components/Kitchens";
import { Title } from "../../components/Title";
import { api } from "../../convex/_generated/api";
import { leave } from "../actions";

/** The board, complete in the first answer of the server: who is there, and what they may see. */
export default async function BoardPage() {
  const { user, accessToken, organizationId } = await withAuth({ ensureSignedIn: true });
  const rows = await preloadQuery(api.board.list, {}, { token: accessToken });
  return (
    <>
      <header>
        <Title />
        <span className="who" title={user.email}>
          {user.email}
        </span>
        <form action={leave}>
          <button className="quiet">Sign out</button>
        </form>
      </header>
      <Kitchens userId={user.id} here={organizationId} />
      <Board rows={rows} />
    </>
  );
}
