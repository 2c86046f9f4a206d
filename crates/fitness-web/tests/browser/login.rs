//! Login and logout.

use fitness_web::Token;

use crate::driver::with_browser;
use crate::test_server::TestServer;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn session_survives_a_restart_and_ends_with_logout() {
    with_browser(async |browser| {
        let token = Token::new("correct-horse-battery-staple").unwrap();
        let mut server = TestServer::with_token(5, Some(token)).await;
        browser.goto(&server.url("peers?window=7d")).await;
        assert_eq!(browser.eval("document.querySelectorAll('table').length").await, 0);
        assert_eq!(browser.eval("document.activeElement.id").await, "token", "the input is focused");
        browser.keys("not-the-token-at-all").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('[role=alert]')").await;

        browser.keys("correct-horse-battery-staple").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#peers tbody tr')").await;
        assert!(browser.url().await.ends_with("/peers?window=7d"), "the requested page is opened");
        browser.until("document.querySelector('.live .status-text').textContent === 'Live'").await;
        assert_eq!(browser.eval("document.cookie").await, "", "the cookie is not accessible to scripts");

        server.stop().await;
        server.start().await;
        browser.reload().await;
        browser.until("document.querySelector('#peers tbody tr')").await;

        browser.click("header form button").await;
        browser.until("document.querySelector('#token')").await;
        browser.goto(&server.url("coverage")).await;
        browser.until("document.querySelector('#token')").await;
    })
    .await;
}
