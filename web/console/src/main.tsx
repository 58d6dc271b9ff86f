import { PerdureProvider } from "@perdure/client/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";
import { client } from "./client";
import { ProblemPage } from "./kit/problem";
import "./kit/style.css";
import { pages } from "./pages";
import { Shell } from "./shell";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: false,
      // What is shown stays when it cannot be read anew; the shell says so.
      throwOnError: (_error, query) => query.state.data === undefined,
    },
  },
});
const router = createBrowserRouter([
  {
    path: "/",
    element: <Shell />,
    hydrateFallbackElement: <p />,
    children: [{ errorElement: <ProblemPage />, children: pages }],
  },
]);
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <PerdureProvider value={client}>
        <RouterProvider router={router} />
      </PerdureProvider>
    </QueryClientProvider>
  </StrictMode>,
);
