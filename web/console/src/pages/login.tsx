import { useMutation } from "@tanstack/react-query";
import { authAPI, session } from "../api/client";
import { Problem } from "../problem";
import { useWords } from "../words";

/** By address and password, or with a token or API key that one has. */
export function LoginPage({ onLogin }: { onLogin: () => void }) {
  const words = useWords();
  const login = useMutation({
    throwOnError: false,
    mutationFn: async (form: FormData) => {
      const given = String(form.get("token") ?? "").trim();
      const { access_token } = given
        ? { access_token: given }
        : await authAPI.login(String(form.get("email")), String(form.get("password")));
      session.begin(access_token);
      await authAPI.me();
    },
    onSuccess: onLogin,
  });
  return (
    <>
      <h1>{words("login")}</h1>
      {login.isError && <Problem error={login.error} />}
      <form className="card" action={(form) => login.mutate(form)}>
        <label>{words("email")}<input name="email" type="email" autoComplete="username" /></label>
        <label>{words("password")}<input name="password" type="password" autoComplete="current-password" /></label>
        <label>{words("token")}<input name="token" type="password" autoComplete="off" /></label>
        <p className="quiet">{words("tokenHint")}</p>
        <button className="main" disabled={login.isPending}>{words("login")}</button>
      </form>
    </>
  );
}
