//! Logging in, and staying so.

use fitness_web::Token;

use crate::driver::with_browser;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_once() {
    with_browser(async |browser| {
        let token = Token::new("correct-horse-battery-staple").unwrap();
        let mut stage = Stage::guarded(5, Some(token)).await;
        browser.goto(&stage.url("peers?window=7d")).await;
        assert!(!browser.text("body").await.contains("Online"));
        assert_eq!(browser.eval("document.activeElement.id").await, "token", "one can type at once");
        browser.keys("not-the-token-at-all").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('[role=alert]')").await;

        browser.keys("correct-horse-battery-staple").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#peers tbody tr')").await;
        assert!(browser.url().await.ends_with("/peers?window=7d"), "one is where one wanted to be");
        browser.until("document.querySelector('.live .words').textContent === 'Live'").await;
        assert_eq!(browser.eval("document.cookie").await, "", "no script can read it");

        // The server's restart logs nobody out.
        stage.stop().await;
        stage.start().await;
        browser.reload().await;
        browser.until("document.querySelector('#peers tbody tr')").await;

        browser.click("header form button").await;
        browser.until("document.querySelector('#token')").await;
        browser.goto(&stage.url("coverage")).await;
        browser.until("document.querySelector('#token')").await;
    })
    .await;
}
