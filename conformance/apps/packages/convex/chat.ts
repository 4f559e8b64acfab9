// @convex-dev/persistent-text-streaming: text that streams over HTTP and is kept in the component.
import { PersistentTextStreaming, StreamIdValidator, type StreamId } from "@convex-dev/persistent-text-streaming";
import { components } from "./_generated/api";
import { httpAction, mutation, query } from "./_generated/server";

const streaming = new PersistentTextStreaming(components.persistentTextStreaming);

export const create = mutation({ args: {}, handler: async (ctx) => await streaming.createStream(ctx) });

export const body = query({
  args: { id: StreamIdValidator },
  handler: async (ctx, { id }) => await streaming.getStreamBody(ctx, id as StreamId),
});

export const stream = httpAction(async (ctx, request) => {
  const { id } = (await request.json()) as { id: string };
  return await streaming.stream(ctx, request, id as StreamId, async (_ctx, _request, _id, append) => {
    for (const word of ["Hello. ", "This is ", "a stream."]) {
      await append(word);
      await new Promise((done) => setTimeout(done, 50));
    }
  });
});
