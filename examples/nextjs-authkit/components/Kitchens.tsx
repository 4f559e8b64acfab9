import { getWorkOS } from "@workos-inc/authkit-nextjs";

/** The kitchens of a person, with buttons to change over, and a place to open another. */
export async function Kitchens({ userId, here }: { userId: string; here: string | undefined }) {
  const { data: memberships } = await getWorkOS().userManagement.listOrganizationMemberships({ userId, statuses: ["active"] });
  const name = memberships.find((m) => m.organizationId === here)?.organizationName;
  return (
    <nav className="kitchens" aria-label="Kitchens">
      <span>{name ?? "Everybody's kitchen"}</span>
      {memberships
        .filter((m) => m.organizationId !== here)
        .map((m) => (
          <form key={m.id} method="post" action="/kitchens">
            <button className="quiet" name="kitchen" value={m.organizationId}>
              {m.organizationName}
            </button>
          </form>
        ))}
      <details>
        <summary>Open a kitchen</summary>
        <form method="post" action="/kitchens">
          <input name="name" aria-label="Name of the kitchen" placeholder="Name" maxLength={40} required />
          <button className="quiet">Open</button>
        </form>
      </details>
    </nav>
  );
}
