import { ConvexProvider, ConvexReactClient } from "convex/react";
import { hydrateRoot } from "react-dom/client";
import { Article } from "./page";

const { url, preloaded } = JSON.parse(document.getElementById("data")!.textContent!);
hydrateRoot(
  document.getElementById("root")!,
  <ConvexProvider client={new ConvexReactClient(url)}>
    <Article preloaded={preloaded} />
  </ConvexProvider>,
);
