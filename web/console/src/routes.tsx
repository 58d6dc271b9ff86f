import { Navigate, type RouteObject } from "react-router";
import { ExecutionPage } from "./pages/execution";
import { ExecutionsPage } from "./pages/executions";
import { FlowsPage } from "./pages/flows";
import { NewTeamPage } from "./pages/new-team";
import { NotFound, ProblemPage } from "./problem";
import { Shell } from "./shell";
import type { Word } from "./words";

/** What the navigation shows. A page is a file in `pages/`, a line in `pageRoutes` and, if it is to be found, one here.
 *  The first part of its path also stands in `api/console.py`, which serves the console at no other addresses. */
export const navigation: { to: string; word: Word }[] = [
  { to: "/flows", word: "flows" },
  { to: "/executions", word: "executions" },
];

const pageRoutes: RouteObject[] = [
  { index: true, element: <Navigate to="/flows" replace /> },
  { path: "flows", element: <FlowsPage /> },
  { path: "flows/new", element: <NewTeamPage /> },
  { path: "executions", element: <ExecutionsPage /> },
  { path: "executions/:id", element: <ExecutionPage /> },
  { path: "*", element: <NotFound /> },
];

export const routes: RouteObject[] = [
  { path: "/", element: <Shell navigation={navigation} />, children: [{ errorElement: <ProblemPage />, children: pageRoutes }] },
];
