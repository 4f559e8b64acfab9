// A page that is rendered on the server with what was preloaded, and is live in the browser.
import { type Preloaded, usePreloadedQuery } from "convex/react";
import type { api } from "../convex/_generated/api";

export function Article({ preloaded }: { preloaded: Preloaded<typeof api.articles.read> }) {
  const article = usePreloadedQuery(preloaded);
  return (
    <article>
      <h1>{article.title}</h1>
      <p>{String(article.views)} views</p>
    </article>
  );
}
