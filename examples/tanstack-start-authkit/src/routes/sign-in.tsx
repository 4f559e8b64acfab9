import { createFileRoute } from "@tanstack/react-router";
import { getSignInUrl } from "@workos/authkit-tanstack-react-start";

/** Leads to the sign-in page, and from there to `returnPathname`. */
export const Route = createFileRoute("/sign-in")({
  server: {
    handlers: {
      GET: async ({ request }) => {
        const returnPathname = new URL(request.url).searchParams.get("returnPathname") ?? "/board";
        return new Response(null, { status: 307, headers: { Location: await getSignInUrl({ data: { returnPathname } }) } });
      },
    },
  },
});
