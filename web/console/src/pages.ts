import { createElement } from "react";
import { Navigate, type RouteObject } from "react-router";
import type { Named } from "./kit/i18n";
import { NotFound } from "./kit/problem";

/**
 * Every page: its address, and the file whose `Component` it is, which is loaded when it is first opened. The first part
 * of an address stands in `api/console.py` too, which serves the console at no other addresses.
 */
export const pages: RouteObject[] = [
  { index: true, element: createElement(Navigate, { to: "/flows", replace: true }) },
  { path: "flows", lazy: () => import("./pages/flows/list") },
  { path: "flows/new", lazy: () => import("./pages/flows/new") },
  { path: "flows/new-assistant", lazy: () => import("./pages/flows/new-assistant") },
  { path: "flows/:id", lazy: () => import("./pages/flows/one") },
  { path: "flows/:id/edit", lazy: () => import("./pages/flows/edit") },
  { path: "flows/:id/versions", lazy: () => import("./pages/flows/versions") },
  { path: "flows/:id/versions/:version", lazy: () => import("./pages/flows/version") },
  { path: "executions", lazy: () => import("./pages/executions/list") },
  { path: "executions/:id", lazy: () => import("./pages/executions/one") },
  { path: "executions/:id/diff/:other", lazy: () => import("./pages/executions/diff") },
  { path: "dashboard", lazy: () => import("./pages/dashboard/page") },
  { path: "chat/:flowId?/*", lazy: () => import("./pages/chat/page") },
  { path: "knowledge", lazy: () => import("./pages/knowledge/list") },
  { path: "knowledge/:id", lazy: () => import("./pages/knowledge/one") },
  { path: "approvals", lazy: () => import("./pages/approvals/inbox") },
  { path: "audit", lazy: () => import("./pages/audit/log") },
  { path: "keys", lazy: () => import("./pages/keys/page") },
  { path: "*", element: createElement(NotFound) },
];

/** What the navigation shows, in this order. */
export const navigation: { to: string; name: Named }[] = [
  { to: "/flows", name: { en: "Flows", ko: "플로우" } },
  { to: "/executions", name: { en: "Executions", ko: "실행" } },
  { to: "/dashboard", name: { en: "Dashboard", ko: "대시보드" } },
  { to: "/chat", name: { en: "Chat", ko: "채팅" } },
  { to: "/knowledge", name: { en: "Knowledge", ko: "지식" } },
  { to: "/approvals", name: { en: "Approvals", ko: "승인" } },
  { to: "/audit", name: { en: "Audit log", ko: "감사 로그" } },
  { to: "/keys", name: { en: "API keys", ko: "API 키" } },
];
