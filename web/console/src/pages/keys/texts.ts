import { texts } from "../../kit/i18n";

export const useTexts = texts(
  {
    title: "API keys",
    intro: "A program with one of your keys may do what you may.",
    newOne: "New key",
    nameHint: "What it is for, such as “nightly import”.",
    expires: "Valid until",
    expiresHint: "Empty: until it is deleted.",
    never: "it is deleted",
    begins: "Begins with",
    lastUsed: "Last used",
    notUsed: "never",
    none: "No keys yet.",
    shownOnce: "This is the key. It is shown this once, and kept only as a hash.",
    deleteQuestion: (name: string) => `Delete the key “${name}”? Programs that use it are refused from then on.`,
  },
  {
    title: "API 키",
    intro: "키를 가진 프로그램은 내가 할 수 있는 일을 할 수 있습니다.",
    newOne: "새 키",
    nameHint: "용도를 적으세요. 예: 야간 가져오기.",
    expires: "유효 기한",
    expiresHint: "비워 두면 삭제할 때까지 유효합니다.",
    never: "삭제할 때까지",
    begins: "앞부분",
    lastUsed: "마지막 사용",
    notUsed: "없음",
    none: "아직 키가 없습니다.",
    shownOnce: "키는 지금 한 번만 표시되며, 해시로만 보관됩니다.",
    deleteQuestion: (name: string) => `“${name}” 키를 삭제할까요? 이 키를 쓰는 프로그램은 그때부터 거부됩니다.`,
  },
);
