// Cancelling closes what a pencil opened; without script it is a link to the page as it was.

document.addEventListener('click', (event) => {
  const cancel = event.target.closest('[data-close]')
  if (!cancel) return
  event.preventDefault()
  const opened = document.getElementById(cancel.dataset.close)
  opened.querySelector('form').reset()
  opened.open = false
  opened.querySelector('summary').focus()
})
