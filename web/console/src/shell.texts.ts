import { texts } from "./kit/i18n";

export const useTexts = texts(
  {
    skip: "Skip to the content",
    pages: "Pages",
    theme: "Dark or light",
    otherLanguage: "한국어",
    logout: "Log out",
    outage: "The server cannot be reached. What you see is what was read last.",
  },
  {
    skip: "본문으로 건너뛰기",
    pages: "페이지",
    theme: "어둡게 또는 밝게",
    otherLanguage: "English",
    logout: "로그아웃",
    outage: "서버에 연결할 수 없습니다. 마지막으로 읽은 내용을 표시합니다.",
  },
);
