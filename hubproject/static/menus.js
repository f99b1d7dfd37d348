// Menus are <details class="menu">: they close outside and on Escape, and arrows move inside them.

const open = () => document.querySelector('details.menu[open]')

document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.open = false
  }
})

document.addEventListener('keydown', (event) => {
  const menu = open()
  if (!menu) return
  const items = [...menu.querySelectorAll('.menu-items :is(a, button)')]
  const at = items.indexOf(document.activeElement)
  if (event.key === 'Escape') {
    menu.open = false
    menu.querySelector('summary').focus()
  } else if (event.key === 'ArrowDown') {
    items[(at + 1) % items.length].focus()
  } else if (event.key === 'ArrowUp') {
    items.at(at <= 0 ? -1 : at - 1).focus()
  } else return
  event.preventDefault()
})

document.addEventListener('focusout', (event) => {
  const menu = event.target.closest?.('details.menu[open]')
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false
})
