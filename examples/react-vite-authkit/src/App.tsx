import { useAuth } from "@workos-inc/authkit-react";
import { Authenticated, AuthLoading, Unauthenticated } from "convex/react";
import { Board } from "./Board";

export function App() {
  const { user, signIn, signUp, signOut } = useAuth();
  return (
    <div className="page">
      <header>
        <h1>
          <img src="/soup.svg" alt="" width="32" height="32" /> Soup board
        </h1>
        <Authenticated>
          <span className="who" title={user?.email}>
            {user?.email}
          </span>
          <button className="quiet" onClick={() => signOut()}>
            Sign out
          </button>
        </Authenticated>
      </header>

      <AuthLoading>
        <p className="hint">One moment…</p>
      </AuthLoading>

      <Unauthenticated>
        <main className="welcome">
          <p>What shall we cook? Everybody who signs in sees the same board, and every change at once.</p>
          <button onClick={() => signIn()}>Sign in</button>
          <button className="quiet" onClick={() => signUp()}>
            Sign up
          </button>
        </main>
      </Unauthenticated>

      <Authenticated>
        <Board defaultName={user?.firstName || user?.email?.split("@")[0] || "Somebody"} />
      </Authenticated>
    </div>
  );
}
