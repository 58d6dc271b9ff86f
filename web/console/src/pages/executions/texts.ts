import { texts } from "../../kit/i18n";

export const useTexts = texts(
  {
    executions: "Executions",
    noExecutions: "No executions yet. Run a flow, and it shows up here.",
    cancelRun: "Cancel the run",
    live: "live",
    steps: "Steps",
    output: "Output",
    input: "Input",
    retries: (count: number) => `${count} retries`,
    lastEvent: "Last event",
    failed: "Failed",
  },
  {
    executions: "실행",
    noExecutions: "아직 실행이 없습니다. 플로우를 실행하면 여기에 나타납니다.",
    cancelRun: "실행 취소",
    live: "실시간",
    steps: "단계",
    output: "출력",
    input: "입력",
    retries: (count: number) => `재시도 ${count}회`,
    lastEvent: "마지막 이벤트",
    failed: "실패",
  },
);
