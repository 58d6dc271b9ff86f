import { texts } from "../../kit/i18n";

export const useTexts = texts(
  {
    flows: "Flows",
    search: "Search flows",
    newTeam: "New team",
    orchestration: "How they work together",
    agent: (number: number) => `Agent ${number}`,
    addAgent: "Add an agent",
    prompt: "System prompt",
    after: "Works after",
    nobody: "nobody",
    runs: "Runs",
    noFlows: "No flows yet. Make a team to begin with.",
  },
  {
    flows: "플로우",
    search: "플로우 검색",
    newTeam: "새 팀",
    orchestration: "협업 방식",
    agent: (number: number) => `에이전트 ${number}`,
    addAgent: "에이전트 추가",
    prompt: "시스템 프롬프트",
    after: "선행 에이전트",
    nobody: "없음",
    runs: "실행 횟수",
    noFlows: "아직 플로우가 없습니다. 팀을 먼저 만들어 보세요.",
  },
);
