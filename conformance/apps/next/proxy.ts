import { authkitProxy } from "@workos-inc/authkit-nextjs";

export default authkitProxy({ middlewareAuth: { enabled: true, unauthenticatedPaths: ["/", "/me"] } });

export const config = { matcher: ["/", "/protected", "/me", "/switch"] };
