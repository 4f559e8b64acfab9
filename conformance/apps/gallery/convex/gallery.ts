// Photos: uploaded by the client, checked and shrunk by an action, served from their own addresses.
import { ConvexError, v } from "convex/values";
import { internal } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { internalAction, internalMutation, mutation, query } from "./_generated/server";

export const album = mutation({ args: { name: v.string() }, handler: async (ctx, { name }) => await ctx.db.insert("albums", { name }) });

export const uploadUrl = mutation({ args: {}, returns: v.string(), handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const add = mutation({
  args: { album: v.id("albums"), file: v.id("_storage"), name: v.string() },
  handler: async (ctx, { album, file, name }): Promise<Id<"photos">> => {
    const stored = await ctx.db.system.get(file);
    if (!stored) {
      throw new ConvexError({ code: "NO_FILE" });
    }
    if (!stored.contentType?.startsWith("image/")) {
      throw new ConvexError({ code: "NO_IMAGE", contentType: stored.contentType ?? null });
    }
    const photo = await ctx.db.insert("photos", { album, file, name, bytes: stored.size });
    await ctx.scheduler.runAfter(0, internal.gallery.shrink, { photo, file });
    return photo;
  },
});

/** Makes a "thumbnail": the first bytes, as a file of its own. */
export const shrink = internalAction({
  args: { photo: v.id("photos"), file: v.id("_storage") },
  handler: async (ctx, { photo, file }) => {
    const blob = await ctx.storage.get(file);
    if (blob) {
      const thumbnail = await ctx.storage.store(blob.slice(0, 16, blob.type));
      await ctx.runMutation(internal.gallery.setThumbnail, { photo, thumbnail });
    }
  },
});

export const setThumbnail = internalMutation({
  args: { photo: v.id("photos"), thumbnail: v.id("_storage") },
  handler: async (ctx, { photo, thumbnail }) => {
    const row = await ctx.db.get(photo);
    if (!row) {
      await ctx.storage.delete(thumbnail); // deleted in the meantime
      return;
    }
    await ctx.db.patch(photo, { thumbnail });
    const album = (await ctx.db.get(row.album))!;
    if (!album.cover) {
      await ctx.db.patch(album._id, { cover: thumbnail });
    }
  },
});

export const show = query({
  args: { album: v.id("albums") },
  handler: async (ctx, { album }) => {
    const row = await ctx.db.get(album);
    if (!row) {
      return null;
    }
    const photos = await ctx.db
      .query("photos")
      .withIndex("by_album", (q) => q.eq("album", album))
      .order("desc")
      .collect();
    return {
      name: row.name,
      cover: row.cover ? await ctx.storage.getUrl(row.cover) : null,
      photos: await Promise.all(
        photos.map(async (photo) => ({
          _id: photo._id,
          name: photo.name,
          bytes: photo.bytes,
          url: await ctx.storage.getUrl(photo.file),
          thumbnail: photo.thumbnail ? await ctx.storage.getUrl(photo.thumbnail) : null,
        })),
      ),
    };
  },
});

export const removePhoto = mutation({
  args: { photo: v.id("photos") },
  handler: async (ctx, { photo }) => {
    const row = (await ctx.db.get(photo))!;
    await ctx.storage.delete(row.file);
    if (row.thumbnail) {
      const album = (await ctx.db.get(row.album))!;
      if (album.cover === row.thumbnail) {
        await ctx.db.patch(album._id, { cover: undefined });
      }
      await ctx.storage.delete(row.thumbnail);
    }
    await ctx.db.delete(photo);
  },
});

/** Files that no photo has: uploads that were never added. */
export const orphans = query({
  args: {},
  handler: async (ctx) => {
    const out: Id<"_storage">[] = [];
    const thumbnails = new Set((await ctx.db.query("photos").collect()).map((photo) => photo.thumbnail));
    for await (const file of ctx.db.system.query("_storage")) {
      const photo = await ctx.db
        .query("photos")
        .withIndex("by_file", (q) => q.eq("file", file._id))
        .first();
      if (!photo && !thumbnails.has(file._id)) {
        out.push(file._id);
      }
    }
    return out;
  },
});

export const sweep = mutation({
  args: { files: v.array(v.id("_storage")) },
  handler: async (ctx, { files }) => {
    for (const file of files) {
      await ctx.storage.delete(file);
    }
  },
});
