import { Impersonation } from "@workos-inc/authkit-nextjs/components";
import type { Metadata } from "next";
import type { ReactNode } from "react";
import { ConvexClientProvider } from "../components/ConvexClientProvider";
import { FreshToken } from "../components/FreshToken";
import "./style.css";

export const metadata: Metadata = { title: "Soup board" };

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <ConvexClientProvider>
          <FreshToken />
          <Impersonation />
          <div className="page">{children}</div>
        </ConvexClientProvider>
      </body>
    </html>
  );
}
