import { createFileRoute, redirect } from "@tanstack/react-router";
import { getAuthAction } from "@workos/authkit-tanstack-react-start/client";
import { Title } from "../components/Title";

/** The welcome page. Who is signed in already goes on to the board. */
export const Route = createFileRoute("/")({
  loader: async () => {
    if ((await getAuthAction()).user) {
      throw redirect({ to: "/board" });
    }
  },
  component: Home,
});

function Home() {
  // Plain links: a sign-in is not to be fetched by the router but visited.
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
