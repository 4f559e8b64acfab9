import { switchToOrganization, withAuth } from "@workos-inc/authkit-nextjs";

export default async function Switch({ searchParams }: { searchParams: Promise<{ to?: string }> }) {
  await withAuth({ ensureSignedIn: true });
  const { to } = await searchParams;
  return (
    <form
      action={async () => {
        "use server";
        await switchToOrganization(to!, { returnTo: "/protected" });
      }}
    >
      <button type="submit">Switch</button>
    </form>
  );
}
