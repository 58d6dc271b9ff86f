import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { NavLink, Outlet } from "react-router";
import { session } from "./client";
import { type Language, LanguageContext } from "./kit/i18n";
import { systemTheme, usePreference } from "./kit/preferences";
import { navigation } from "./pages";
import { LoginPage } from "./pages/login/form";
import { useTexts } from "./shell.texts";

/** What stands round every page; the login in its place while nobody is logged in. */
export function Shell() {
  const queries = useQueryClient();
  const isIn = useSyncExternalStore(session.subscribe, session.isOpen);
  const first: Language = navigator.language.startsWith("ko") ? "ko" : "en";
  const [language, setLanguage] = usePreference<Language>("perdure.language", first);
  const [theme, setTheme] = usePreference("perdure.theme", systemTheme());
  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dataset.theme = theme;
  }, [language, theme]);
  useEffect(() => {
    if (!isIn) queries.clear();
  }, [isIn, queries]);
  return (
    <LanguageContext value={language}>
      <Header
        isIn={isIn}
        language={language}
        isDark={theme === "dark"}
        onLanguage={() => setLanguage(language === "en" ? "ko" : "en")}
        onTheme={() => setTheme(theme === "dark" ? "light" : "dark")}
      />
      <main id="content" tabIndex={-1}>
        {isIn && <Outage />}
        {isIn ? <Outlet /> : <LoginPage />}
      </main>
    </LanguageContext>
  );
}

interface HeaderProps {
  isIn: boolean;
  language: Language;
  isDark: boolean;
  onLanguage: () => void;
  onTheme: () => void;
}

function Header({ isIn, language, isDark, onLanguage, onTheme }: HeaderProps) {
  const t = useTexts();
  return (
    <>
      <a className="skip" href="#content">{t.skip}</a>
      <header>
        <strong>Perdure</strong>
        {isIn && (
          <nav aria-label={t.pages}>
            {navigation.map(({ to, name }) => <NavLink key={to} to={to}>{name[language]}</NavLink>)}
          </nav>
        )}
        <div className="actions">
          <button type="button" lang={language === "en" ? "ko" : "en"} onClick={onLanguage}>{t.otherLanguage}</button>
          <button type="button" aria-label={t.theme} onClick={onTheme}>{isDark ? "☀" : "☾"}</button>
          {isIn && <button type="button" onClick={session.end}>{t.logout}</button>}
        </div>
      </header>
    </>
  );
}

/** Says that what is shown is no longer fresh: the last attempt to read it anew failed. */
function Outage() {
  const t = useTexts();
  const cache = useQueryClient().getQueryCache();
  const isOld = useSyncExternalStore(
    (changed) => cache.subscribe(changed),
    () => cache.findAll({ type: "active" }).some(({ state }) => state.status === "error" && state.data !== undefined),
  );
  return isOld ? <p className="card problem" role="status">{t.outage}</p> : null;
}
