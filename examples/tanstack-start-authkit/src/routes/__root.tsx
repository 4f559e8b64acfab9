import { createRootRoute, HeadContent, Outlet, Scripts } from "@tanstack/react-router";
import { getAuthAction, Impersonation } from "@workos/authkit-tanstack-react-start/client";
import { ConvexClientProvider } from "../components/ConvexClientProvider";
import style from "../style.css?url";

export const Route = createRootRoute({
  head: () => ({
    meta: [
      { charSet: "utf-8" },
      { name: "viewport", content: "width=device-width, initial-scale=1" },
      { title: "Soup board" },
    ],
    links: [
      { rel: "stylesheet", href: style },
      { rel: "icon", href: "/soup.svg", type: "image/svg+xml" },
    ],
  }),
  loader: async () => ({ auth: await getAuthAction() }),
  component: Root,
});

function Root() {
  const { auth } = Route.useLoaderData();
  return (
    <html lang="en">
      <head>
        <HeadContent />
      </head>
      <body>
        <ConvexClientProvider auth={auth}>
          <Impersonation />
          <div className="page">
            <Outlet />
          </div>
        </ConvexClientProvider>
        <Scripts />
      </body>
    </html>
  );
}
