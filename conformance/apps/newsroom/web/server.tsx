import { fetchAction, fetchMutation, fetchQuery, preloadQuery, preloadedQueryResult } from "convex/nextjs";
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { renderToString } from "react-dom/server";
import { api } from "../convex/_generated/api";
import { Article } from "./page";

/** What a framework does for a request: preload, render, and hand both to the browser. */
export async function render(url: string, slug: string) {
  const preloaded = await preloadQuery(api.articles.read, { slug }, { url });
  const client = new ConvexReactClient(url);
  const html = renderToString(
    <ConvexProvider client={client}>
      <Article preloaded={preloaded} />
    </ConvexProvider>,
  );
  await client.close();
  return { html, preloaded, title: preloadedQueryResult(preloaded).title };
}

export const write = (url: string, slug: string, title: string) => fetchMutation(api.articles.write, { slug, title }, { url });
export const read = (url: string, slug: string) => fetchQuery(api.articles.read, { slug }, { url });
export const visit = (url: string, slug: string) => fetchAction(api.articles.visit, { slug }, { url });
