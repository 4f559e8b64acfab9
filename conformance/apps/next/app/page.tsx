import { signOut, withAuth } from "@workos-inc/authkit-nextjs";
import { Client } from "./client";

export default async function Home() {
  const { user } = await withAuth();
  if (!user) {
    return (
      <main>
        <h1>Soup</h1>
        <a href="/sign-in">Sign in</a>
        <a href="/sign-up">Sign up</a>
      </main>
    );
  }
  return (
    <main>
      <h1>Soup for {user.email}</h1>
      <Client />
      <form
        action={async () => {
          "use server";
          await signOut();
        }}
      >
        <button type="submit">Sign out</button>
      </form>
    </main>
  );
}
