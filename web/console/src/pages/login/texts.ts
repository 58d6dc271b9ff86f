import { texts } from "../../kit/i18n";

export const useTexts = texts(
  {
    login: "Log in",
    email: "Email address",
    password: "Password",
    token: "Token or API key",
    tokenHint: "The command “perdure token” prints one.",
  },
  {
    login: "로그인",
    email: "이메일 주소",
    password: "비밀번호",
    token: "토큰 또는 API 키",
    tokenHint: "perdure token 명령이 출력합니다.",
  },
);
