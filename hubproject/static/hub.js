// What every page of the dashboard does beyond what its HTML does by itself.

import './ages.js'
import './copy.js'
import './dialogs.js'
import './forms.js'
import './keys.js'
import './live.js'
import './menus.js'
import './selection.js'
import './toasts.js'

for (const button of document.querySelectorAll('[data-theme-choice]')) {
  const show = () => button.setAttribute('aria-pressed', document.documentElement.dataset.theme === button.dataset.themeChoice)
  button.addEventListener('click', () => {
    localStorage.setItem('theme', button.dataset.themeChoice)
    document.documentElement.dataset.theme = button.dataset.themeChoice
    document.dispatchEvent(new Event('theme'))
  })
  document.addEventListener('theme', show)
  show()
}
