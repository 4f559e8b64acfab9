import { withAuth } from "@workos-inc/authkit-nextjs";
import { redirect } from "next/navigation";
import { Title } from "../components/Title";

/** The welcome page. Who is signed in already goes on to the board. */
export default async function Home() {
  const { user } = await withAuth();
  if (user) {
    redirect("/board");
  }
  // Plain links: <Link> would fetch these pages ahead, and a sign-in is not to be fetched but visited.
  return (
    <>
      <header>
        <Title />
      </header>
      <main className="welcome">
        <p>What shall we cook? Everybody who signs in sees the same board, and every change at once.</p>
        <a className="button" href="/sign-in">
          Sign in
        </a>
        <a className="button quiet" href="/sign-up">
          Sign up
        </a>
      </main>
    </>
  );
}
