import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { NavLink, Outlet } from "react-router";
import { session } from "./api/client";
import { LoginPage } from "./pages/login";
import { systemTheme, usePreference } from "./preferences";
import { dictionaries, type Language, LanguageContext, type Word } from "./words";

/** What stands round every page; the login in its place while nobody is logged in. */
export function Shell({ navigation }: { navigation: { to: string; word: Word }[] }) {
  const queries = useQueryClient();
  const [isIn, setIn] = useState(session.token !== null);
  const first: Language = navigator.language.startsWith("ko") ? "ko" : "en";
  const [language, setLanguage] = usePreference<Language>("perdure.language", first);
  const [theme, setTheme] = usePreference("perdure.theme", systemTheme());
  const words = dictionaries[language];

  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dataset.theme = theme;
  }, [language, theme]);
  useEffect(() => {
    const leave = () => {
      queries.clear();
      setIn(false);
    };
    addEventListener("perdure:logout", leave);
    return () => removeEventListener("perdure:logout", leave);
  }, [queries]);

  return (
    <LanguageContext value={language}>
      <a className="skip" href="#content">{words.skip}</a>
      <header>
        <strong>Perdure</strong>
        <nav aria-label={words.pages}>
          {isIn && navigation.map(({ to, word }) => <NavLink key={to} to={to}>{words[word]}</NavLink>)}
        </nav>
        <button type="button" lang={language === "en" ? "ko" : "en"} onClick={() => setLanguage(language === "en" ? "ko" : "en")}>
          {words.language}
        </button>
        <button type="button" aria-label={words.theme} onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>
          {theme === "dark" ? "☀" : "☾"}
        </button>
        {isIn && <button type="button" onClick={() => session.end()}>{words.logout}</button>}
      </header>
      <main id="content">{isIn ? <Outlet /> : <LoginPage onLogin={() => setIn(true)} />}</main>
    </LanguageContext>
  );
}
