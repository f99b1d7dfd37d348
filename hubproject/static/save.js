// Saves the commands of a page as a text file. It is made in the browser: they are sent nowhere and stored nowhere else.

for (const button of document.querySelectorAll('[data-save]')) {
  button.addEventListener('click', () => {
    const commands = [...document.querySelector(button.dataset.save).querySelectorAll('[data-save-name]')]
    const text = commands.map((command) => `# ${command.dataset.saveName}\n${command.textContent.trim()}\n`).join('\n')
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    link.download = button.dataset.saveAs
    link.click()
    URL.revokeObjectURL(link.href)
  })
}
