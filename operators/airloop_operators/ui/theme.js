// The page stands in a frame of Airflow's interface and follows its light or dark mode.
const root = document.documentElement;
function follow() {
  try {
    const outer = window.parent.document.documentElement;
    const dark = outer.classList.contains("dark");
    const light = outer.classList.contains("light");
    if (dark || light) root.dataset.theme = dark ? "dark" : "light";
  } catch { /* opened on its own: the system's preference holds */ }
}
follow();
try {
  if (window.parent !== window) {
    new MutationObserver(follow).observe(window.parent.document.documentElement, { attributes: true });
  }
} catch { /* another origin's frame: the system's preference holds */ }
