import { createPerdureClient } from "@perdure/client";
import { usePerdure } from "@perdure/client/react";
import { useMutation } from "@tanstack/react-query";
import { session } from "../../client";
import { Input } from "../../kit/forms";
import { Page } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useTexts } from "./texts";

/** By address and password, or with a token or API key that one has. */
export function LoginPage() {
  const t = useTexts();
  const client = usePerdure();
  const login = useMutation({
    mutationFn: async (form: FormData) => {
      const given = String(form.get("token") ?? "").trim();
      if (!given) return client.authAPI.login(String(form.get("email")), String(form.get("password")));
      // Whether it is one, only a call with it tells.
      await createPerdureClient({ baseUrl: location.origin, token: () => given }).authAPI.getMe();
      return { access_token: given };
    },
    onSuccess: session.begin,
  });
  return (
    <Page title={t.login}>
      <Problem error={login.error} />
      <form className="card" action={(form) => login.mutate(form)}>
        <Input label={t.email} name="email" type="email" autoComplete="username" />
        <Input label={t.password} name="password" type="password" autoComplete="current-password" />
        <Input label={t.token} hint={t.tokenHint} name="token" type="password" autoComplete="off" />
        <button className="main" disabled={login.isPending}>{t.login}</button>
      </form>
    </Page>
  );
}
