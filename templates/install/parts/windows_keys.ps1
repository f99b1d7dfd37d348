    # The private key stays in a file that is on the disk before the hub hears of it, because the token takes no second key.
    function New-Key {
        Assert-Private $Spoke.State
        if (-not (Test-Path -LiteralPath $Spoke.KeyFile)) {
            $private = (Invoke-Program $Spoke.Wg 'genkey').Output.Trim()
            if (-not ($private -cmatch '\A[A-Za-z0-9+/]{43}=\z')) { Stop-Run 3 'wg.exe did not make a key.' }
            try {
                Save-File $Spoke.KeyFile { $private }
            } catch {
                Stop-Run 3 ('The private key could not be written to ' + $Spoke.KeyFile + ': is the disk full?')
            }
        }
        $made = Invoke-Program $Spoke.Wg 'pubkey' $Spoke.KeyFile
        $Spoke.PublicKey = $made.Output.Trim()
        if (-not (Test-Key $Spoke.PublicKey)) { Stop-Run 3 ($Spoke.KeyFile + ' does not hold a private key.') }
    }
