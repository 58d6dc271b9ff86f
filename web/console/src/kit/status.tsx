import type { ApprovalStatus, DocumentStatus, ExecutionStatus, NodeStatus } from "@perdure/client";
import { texts } from "./i18n";

type AnyStatus = ExecutionStatus | NodeStatus | DocumentStatus | ApprovalStatus;

/** The names of every status that anything has. */
export const useStatusTexts = texts<Record<AnyStatus, string>>(
  {
    pending: "pending",
    running: "running",
    completed: "completed",
    failed: "failed",
    cancelled: "cancelled",
    skipped: "skipped",
    processing: "processing",
    ready: "ready",
    approved: "approved",
    rejected: "rejected",
    edited: "edited",
  },
  {
    pending: "대기",
    running: "실행 중",
    completed: "완료",
    failed: "실패",
    cancelled: "취소됨",
    skipped: "건너뜀",
    processing: "처리 중",
    ready: "준비됨",
    approved: "승인됨",
    rejected: "거부됨",
    edited: "수정됨",
  },
);

/** A status in words and colour. */
export function Status({ of, testId }: { of: AnyStatus; testId?: string }) {
  return <span className={`status ${of}`} data-testid={testId}>{useStatusTexts()[of]}</span>;
}
